"""The bound of a mailbox holds while its server is suspended (semantics 13, 42)."""

import actors
from supervision import Server, call, cast, handle_call, handle_cast, resume, start_server, suspend


class Adder(Server):
    def init(self) -> None:
        self.n = 0

    @handle_cast
    def add(self) -> None:
        self.n += 1

    @handle_call
    def get(self) -> int:
        return self.n


def test_full_mailbox_of_a_suspended_server_refuses() -> None:
    async def main() -> tuple[int, int]:
        pid = await start_server(Adder, options={"mailbox.max": 5})
        await suspend(pid)
        taken = 0
        for _ in range(100):
            taken += await cast(pid, Adder.add)
            await actors.sleep("0s")
        await resume(pid)
        return taken, await call(pid, Adder.get)

    taken, handled = actors.run(main)
    assert handled == taken
    assert taken <= 6
