"""what people sent may be sealed."""

from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision: str = '0005'
down_revision: str | None = '0004'
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    table = op.create_table('data_keys',
    sa.Column('key_id', sa.String(length=8), nullable=False),
    sa.Column('first_used_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('key_id', name=op.f('pk_data_keys'))
    )
    # What was kept before there were keys is plain.
    connection = op.get_bind()
    if any(connection.scalar(sa.text(f'SELECT count(*) FROM {name}')) for name in ('people', 'inbox')):
        op.bulk_insert(table, [{'key_id': '', 'first_used_at': datetime.now(UTC)}])


def downgrade() -> None:
    op.drop_table('data_keys')
