"""what the doctor found is sealed, and always of one length."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0011'
down_revision: str | None = '0010'
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table('outcomes') as outcomes:
        outcomes.alter_column('found', existing_type=sa.String(length=40), type_=sa.Text(), existing_nullable=False)
    # A sealed value is as long as a plain one, and the classes of a model differ in that.
    op.execute(sa.text("UPDATE outcomes SET found = substr(found || :blank, 1, 40)").bindparams(blank=' ' * 40))


def downgrade() -> None:
    with op.batch_alter_table('outcomes') as outcomes:
        outcomes.alter_column('found', existing_type=sa.Text(), type_=sa.String(length=40), existing_nullable=False)
