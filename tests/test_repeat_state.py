"""A state that is repeated keeps its postponed events postponed, as in OTP."""

import actors
from supervision import Called, Entered, Sent, State, StateEvent, StateMachine, call, start_server


class Machine(StateMachine):
    state_enter = True

    def init(self) -> State:
        self.log: list[str] = []
        return self.waiting

    async def waiting(self, event: StateEvent) -> State | None:
        match event:
            case Entered():
                self.log.append("enter")
            case Sent("later"):
                self.log.append("later")
                self.postpone()
            case Sent("again"):
                self.log.append("again")
                self.repeat_state()
            case Called("log"):
                await self.reply(event, list(self.log))
        return None


def test_repeating_a_state_enters_it_and_leaves_what_is_postponed() -> None:
    async def main() -> list[str]:
        pid = await start_server(Machine)
        await actors.send(pid, "later")
        await actors.send(pid, "again")
        log: list[str] = await call(pid, "log")
        return log

    assert actors.run(main) == ["enter", "later", "again", "enter"]
