"""What `supervision` exports: a contract, so a change here is a change for users."""

import supervision

NAMES = """
Application ApplicationHandle Service ServiceState run_application Backoff Called Child ChildSpec Counts
DynamicSupervisor DynamicSupervisorHandle Entered Ignore Inserted PartitionSupervisor PartitionSupervisorHandle
Refused Sent Server ServerAddress ServerTimer State StateEvent StateMachine Supervisor SupervisorHandle Task
TaskMap TaskSupervisor TaskSupervisorHandle TimedOut call cast change_code get_state handle_call handle_cast
handle_info ready replace_state resume start start_server stop_server suspend
"""


def test_supervision_exports_these_names_and_no_others() -> None:
    assert sorted(supervision.__all__) == sorted(NAMES.split())
    assert all(hasattr(supervision, name) for name in supervision.__all__)
