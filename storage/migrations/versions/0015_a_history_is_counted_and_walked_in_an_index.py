"""a history is counted and walked in an index."""

from collections.abc import Sequence

from alembic import op

revision: str = '0015'
down_revision: str | None = '0014'
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        op.f('ix_scans_person_id_deleted_at_number'), 'scans', ['person_id', 'deleted_at', 'number'], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f('ix_scans_person_id_deleted_at_number'), table_name='scans')
