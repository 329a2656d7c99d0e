"""What may happen: policies, approvals, grants, budgets and the ledger, the audit log."""
