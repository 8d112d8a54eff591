"""the states of the inbox are called as elsewhere."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0003'
down_revision: str | None = '0002'
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_NAMES = {'held': 'awaiting_consent', 'set_aside': 'dead_letter'}
_OLD = "state IN ('waiting', 'working', 'held', 'done', 'set_aside')"
_NEW = "state IN ('waiting', 'working', 'awaiting_consent', 'done', 'dead_letter')"


def upgrade() -> None:
    _rename(_NAMES, _NEW)
    # Names are not kept any more: nobody needs them, and there was no leave to keep those of people who said no yes.
    op.execute(sa.text("UPDATE people SET name = ''"))


def downgrade() -> None:
    _rename({new: old for old, new in _NAMES.items()}, _OLD)


def _rename(names: dict[str, str], rule: str) -> None:
    with op.batch_alter_table('inbox', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('ck_inbox_state_known'), type_='check')
    for old, new in names.items():
        op.execute(sa.text('UPDATE inbox SET state = :new WHERE state = :old').bindparams(new=new, old=old))
    with op.batch_alter_table('inbox', schema=None) as batch_op:
        batch_op.create_check_constraint(batch_op.f('ck_inbox_state_known'), rule)
