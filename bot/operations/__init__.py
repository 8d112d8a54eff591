"""What an operator sees of a running bot: metrics, health, the status page, the audit log; and copies on a schedule."""
