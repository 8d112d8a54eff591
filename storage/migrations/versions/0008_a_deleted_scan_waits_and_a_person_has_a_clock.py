"""a deleted scan waits for a while, and a person has a clock."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0008'
down_revision: str | None = '0007'
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column('people', sa.Column('utc_offset', sa.Integer(), nullable=True))
    op.add_column('scans', sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f('ix_scans_deleted_at'), 'scans', ['deleted_at'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_scans_deleted_at'), table_name='scans')
    op.drop_column('scans', 'deleted_at')
    op.drop_column('people', 'utc_offset')
