"""a study is a scan with its slices."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0004'
down_revision: str | None = '0003'
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    key = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
    op.create_table('slices',
    sa.Column('id', key, nullable=False),
    sa.Column('scan_id', key, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('series', sa.String(length=64), nullable=False),
    sa.Column('verdict', sa.String(length=32), nullable=False),
    sa.Column('score', sa.Double(), nullable=False),
    sa.Column('agrees', sa.Boolean(), nullable=False),
    sa.Column('picture', sa.LargeBinary(), nullable=False),
    sa.Column('heat', sa.LargeBinary(), nullable=False),
    sa.CheckConstraint('number >= 1', name=op.f('ck_slices_number_positive')),
    sa.ForeignKeyConstraint(['scan_id'], ['scans.id'], name=op.f('fk_slices_scan_id_scans'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_slices')),
    sa.UniqueConstraint('scan_id', 'number', name=op.f('uq_slices_scan_id_number'))
    )
    op.add_column('scans', sa.Column('study', sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column('scans', 'study')
    op.drop_table('slices')
