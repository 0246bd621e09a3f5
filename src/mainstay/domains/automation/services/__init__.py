"""Every write of automation, one verb each."""

from mainstay.domains.automation.services.commands import issue_command
from mainstay.domains.automation.services.healing import consider_healing, set_heal_mode
from mainstay.domains.automation.services.results import accept_results, mark_heartbeat
from mainstay.domains.automation.services.runs import advance, ask_cancel, signal_run, start_run
from mainstay.domains.automation.services.trust import adopt_documents, register_signer

__all__ = [
    "accept_results",
    "adopt_documents",
    "advance",
    "ask_cancel",
    "consider_healing",
    "issue_command",
    "mark_heartbeat",
    "register_signer",
    "set_heal_mode",
    "signal_run",
    "start_run",
]
