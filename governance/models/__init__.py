from governance.models.approvals import Approval, Asked, Vote
from governance.models.audit import AuditEvent
from governance.models.budgets import Account, Budget, Hold, LedgerEntry
from governance.models.policies import Grant, Policy, PolicyVersion
from governance.models.rates import RateBucket

__all__ = [
    "Account",
    "Approval",
    "Asked",
    "AuditEvent",
    "Budget",
    "Grant",
    "Hold",
    "LedgerEntry",
    "Policy",
    "PolicyVersion",
    "RateBucket",
    "Vote",
]
