"""people, scans, pictures and the inbox."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0001'
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table('inbox',
    sa.Column('update_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False),
    sa.Column('chat_id', sa.BigInteger(), nullable=True),
    sa.Column('payload', sa.Text(), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('error', sa.Text(), nullable=True),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("state IN ('waiting', 'working', 'done', 'set_aside')", name=op.f('ck_inbox_state_known')),
    sa.CheckConstraint('attempts >= 0', name=op.f('ck_inbox_attempts_counted')),
    sa.PrimaryKeyConstraint('update_id', name=op.f('pk_inbox'))
    )
    with op.batch_alter_table('inbox', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_inbox_chat_id'), ['chat_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_inbox_state_update_id'), ['state', 'update_id'], unique=False)

    op.create_table('people',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('chat_id', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('language', sa.String(length=35), nullable=False),
    sa.Column('consent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('consent_version', sa.Integer(), nullable=True),
    sa.Column('role', sa.String(length=16), nullable=False),
    sa.Column('blocked', sa.Boolean(), nullable=False),
    sa.Column('next_number', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("role IN ('user', 'admin')", name=op.f('ck_people_role_known')),
    sa.CheckConstraint('(consent_at IS NULL) = (consent_version IS NULL)', name=op.f('ck_people_consent_whole')),
    sa.CheckConstraint('next_number >= 1', name=op.f('ck_people_next_number_positive')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_people')),
    sa.UniqueConstraint('chat_id', name=op.f('uq_people_chat_id')),
    sqlite_autoincrement=True
    )
    op.create_table('scans',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('person_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('public_id', sa.String(length=7), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('source_key', sa.Text(), nullable=False),
    sa.Column('patient_label', sa.Text(), nullable=True),
    sa.Column('organ', sa.String(length=32), nullable=False),
    sa.Column('verdict', sa.String(length=32), nullable=False),
    sa.Column('reason', sa.String(length=32), nullable=False),
    sa.Column('label', sa.String(length=64), nullable=False),
    sa.Column('confidence', sa.Double(), nullable=False),
    sa.Column('probabilities', sa.JSON(), nullable=False),
    sa.Column('prediction_set', sa.JSON(), nullable=False),
    sa.Column('gate', sa.JSON(), nullable=False),
    sa.Column('model_name', sa.String(length=64), nullable=False),
    sa.Column('model_version', sa.String(length=64), nullable=False),
    sa.Column('model_sha256', sa.String(length=64), nullable=False),
    sa.Column('picture_sha256', sa.String(length=64), nullable=False),
    sa.Column('received_as', sa.String(length=16), nullable=False),
    sa.Column('width', sa.Integer(), nullable=False),
    sa.Column('height', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('messages', sa.JSON(), nullable=False),
    sa.Column('file_ids', sa.JSON(), nullable=False),
    sa.CheckConstraint("received_as IN ('photo', 'document', 'file')", name=op.f('ck_scans_received_as_known')),
    sa.CheckConstraint("verdict IN ('tumor_signs', 'no_tumor_signs', 'not_sure')", name=op.f('ck_scans_verdict_known')),
    sa.CheckConstraint('confidence >= 0 AND confidence <= 1', name=op.f('ck_scans_confidence_is_probability')),
    sa.CheckConstraint('number >= 1', name=op.f('ck_scans_number_positive')),
    sa.CheckConstraint('width > 0 AND height > 0', name=op.f('ck_scans_size_positive')),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_scans_person_id_people'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_scans')),
    sa.UniqueConstraint('person_id', 'number', name=op.f('uq_scans_person_id_number')),
    sa.UniqueConstraint('person_id', 'source_key', name=op.f('uq_scans_person_id_source_key')),
    sa.UniqueConstraint('public_id', name=op.f('uq_scans_public_id')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('scans', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_scans_person_id_picture_sha256'), ['person_id', 'picture_sha256'], unique=False)

    op.create_table('pictures',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('scan_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('original', sa.LargeBinary(), nullable=False),
    sa.Column('overlay', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['scan_id'], ['scans.id'], name=op.f('fk_pictures_scan_id_scans'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_pictures')),
    sa.UniqueConstraint('scan_id', name=op.f('uq_pictures_scan_id'))
    )


def downgrade() -> None:
    op.drop_table('pictures')
    with op.batch_alter_table('scans', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_scans_person_id_picture_sha256'))

    op.drop_table('scans')
    op.drop_table('people')
    with op.batch_alter_table('inbox', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_inbox_state_update_id'))
        batch_op.drop_index(batch_op.f('ix_inbox_chat_id'))

    op.drop_table('inbox')
