"""The pages of approvals and runs."""
