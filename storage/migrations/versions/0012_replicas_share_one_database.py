"""replicas share one database."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0012'
down_revision: str | None = '0011'
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table('replicas',
    sa.Column('id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('version', sa.String(length=64), nullable=False),
    sa.Column('models', sa.String(length=64), nullable=False),
    sa.Column('messages_per_second', sa.Integer(), nullable=False),
    sa.Column('beat_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_replicas'))
    )
    op.create_table('leases',
    sa.Column('chat_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('replica_id', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['replica_id'], ['replicas.id'], name=op.f('fk_leases_replica_id_replicas'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('chat_id', name=op.f('pk_leases'))
    )
    with op.batch_alter_table('leases', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_leases_replica_id'), ['replica_id'], unique=False)
    op.create_table('allowances',
    sa.Column('name', sa.String(length=16), nullable=False),
    sa.Column('available', sa.Double(), nullable=False),
    sa.Column('filled_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_allowances'))
    )
    op.add_column('inbox', sa.Column('replica_id', sa.BigInteger(), nullable=True))
    op.add_column('inbox', sa.Column('claims', sa.Integer(), nullable=False, server_default='0'))
    op.add_column('recipients', sa.Column('replica_id', sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column('recipients', 'replica_id')
    op.drop_column('inbox', 'claims')
    op.drop_column('inbox', 'replica_id')
    op.drop_table('allowances')
    op.drop_table('leases')
    op.drop_table('replicas')
