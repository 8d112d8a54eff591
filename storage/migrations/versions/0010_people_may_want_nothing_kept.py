"""people may want nothing kept."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0010'
down_revision: str | None = '0009'
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column('people', sa.Column('forgets', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column('scans', sa.Column('passes', sa.Boolean(), nullable=False, server_default=sa.false()))
    key = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
    op.create_table('receipts',
    sa.Column('id', key, nullable=False),
    sa.Column('person_id', key, nullable=False),
    sa.Column('receipt', sa.String(length=64), nullable=False),
    sa.Column('answered_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_receipts_person_id_people'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_receipts')),
    sa.UniqueConstraint('person_id', 'receipt', name=op.f('uq_receipts_person_id_receipt'))
    )


def downgrade() -> None:
    op.drop_table('receipts')
    op.drop_column('scans', 'passes')
    op.drop_column('people', 'forgets')
