% What Erlang does for the same figures; each function prints one number.
-module(everproc_peer).
-export([round_trips/1, memory/1]).

% Seconds for so many round trips between two processes.
round_trips([Text]) ->
    Count = list_to_integer(Text),
    Self = self(),
    Ping = spawn(fun() ->
        Pong = spawn(fun pong/0),
        Start = erlang:monotonic_time(microsecond),
        ping(Pong, Count),
        Self ! {done, erlang:monotonic_time(microsecond) - Start}
    end),
    receive {done, Time} -> io:format("~w~n", [Time / 1.0e6]) end,
    Ping.

ping(_, 0) -> ok;
ping(Pong, N) ->
    Pong ! {self(), ping, N},
    receive {pong, _} -> ok end,
    ping(Pong, N - 1).

pong() ->
    receive {From, ping, N} -> From ! {pong, N} end,
    pong().

% Bytes for each of so many idle processes.
memory([Text]) ->
    Count = list_to_integer(Text),
    Before = erlang:memory(processes),
    [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, Count)],
    io:format("~w~n", [(erlang:memory(processes) - Before) / Count]).
