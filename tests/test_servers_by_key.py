"""A call or cast by key that meets a server that stops reaches the next one."""

import actors
from supervision import Server, call, cast, handle_call, handle_cast

app = actors.Namespace("bykey")


@app.process
class Session(Server):
    def init(self) -> None:
        self.n = 0
        self.set_timeout("20ms")

    def handle_timeout(self) -> None:
        self.stop()

    async def terminate(self, reason: str) -> None:
        await actors.sleep("10ms")  # it saves

    @handle_call
    def add(self) -> int:
        self.n += 1
        self.set_timeout("20ms")
        return self.n

    @handle_cast
    def note(self, seen: list[str]) -> None:
        seen.append("noted")
        self.set_timeout("20ms")


def test_call_by_key_while_the_server_stops_is_answered_by_the_next() -> None:
    async def main() -> list[object]:
        answers: list[object] = []
        for wait in range(15, 36, 2):
            address = Session.at(f"user-{wait}")
            await call(address, Session.add)
            await actors.sleep(f"{wait}ms")
            try:
                answers.append(await call(address, Session.add))
            except actors.Error as error:
                answers.append((error.kind, error.details.get("reason")))
        return answers

    answers = actors.run(main)
    assert all(answer in (1, 2) for answer in answers), answers


def test_cast_by_key_that_was_taken_is_handled() -> None:
    async def main() -> tuple[int, int]:
        taken, seen = 0, list[str]()
        for wait in range(15, 36, 2):
            address = Session.at(f"note-{wait}")
            await call(address, Session.add)
            await actors.sleep(f"{wait}ms")
            taken += await cast(address, Session.note, seen)
        await actors.sleep("50ms")
        return taken, len(seen)

    taken, handled = actors.run(main)
    assert handled == taken
