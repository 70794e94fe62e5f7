"""Recipes of money: a project's budget by cost code, the contracts that commit it, what is billed and what changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from syncd.sandbox import names
from syncd.sandbox.catalog import Entry
from syncd.sandbox.making import Making, money
from syncd.sandbox.recipe import Identity, Parent, Recipe, Record, Shape, between, put, scaled
from syncd.sandbox.shapes import cost_code_values
from syncd.sandbox.world import CostCode, Project, World

_CATEGORIES = ("Labor", "Material", "Subcontract", "Equipment")
_WORK_ORDERS, _PURCHASE_ORDERS = "work_order_contracts", "purchase_order_contracts"


def contracts(world: World) -> tuple[int, int]:
    """How many subcontracts and purchase orders a project has."""
    return max(2, round(7 * world.scale)), max(1, round(4 * world.scale))


def covered(world: World, project: Project, contract: int) -> Sequence[CostCode]:
    """The cost codes that a commitment, by its number, covers: every committed one belongs to exactly one."""
    committed = [code for code in project.leaves if code.committed]
    return committed[contract :: sum(contracts(world))]


def value(world: World, project: Project, contract: int) -> int:
    """Cents that a commitment is worth: what its lines add up to."""
    return sum(code.committed for code in covered(world, project, contract))


def contract_vendor(world: World, project: Project, contract: int) -> dict[str, object]:
    """Whom a commitment is with."""
    vendors = project.vendors[1:]
    vendor = world.vendors[vendors[contract % len(vendors)]]
    return {"id": vendor.id, "company": vendor.name, "name": vendor.name}


def commitment_id(world: World, project: Project, contract: int) -> int:
    """Id of a commitment by its number: subcontracts first, then purchase orders."""
    orders, _ = contracts(world)
    if contract < orders:
        return world.id_of(_WORK_ORDERS, project.index, contract)
    return world.id_of(_PURCHASE_ORDERS, project.index, contract - orders)


def number_of(world: World, project: Project, record_id: str) -> int | None:
    """Number of a commitment by its id, or None where it was added later."""
    for contract in range(sum(contracts(world))):
        if str(commitment_id(world, project, contract)) == record_id:
            return contract
    return None


def _commitment(first: int) -> Shape:
    """Shapes the nth record as the commitment with number `first + n` (a negative first: after the subcontracts)."""

    def shape(making: Making, record: Record) -> None:
        world, project = making.world, making.project
        assert project
        offset = contracts(world)[0] if first < 0 else first
        contract = making.index + offset
        if contract >= sum(contracts(world)) or (
            offset == 0 and making.entry.name == _WORK_ORDERS and contract >= contracts(world)[0]
        ):
            return
        amount = value(world, project, contract)
        paid = amount * min(90, contract * 9) // 100
        vendor = contract_vendor(world, project, contract)
        kind = "SC" if contract < contracts(world)[0] else "PO"
        put(
            record,
            number=f"{kind}-{project.number}-{contract + 1:02d}",
            vendor={name: vendor[name] for name in ("id", "company")},
        )
        put(
            record,
            title=f"{covered(world, project, contract)[0].name if covered(world, project, contract) else 'Allowance'}",
        )
        put(record, status="Approved", executed=True, grand_total=money(amount), revised_contract=money(amount))
        put(
            record,
            total_payments=money(paid),
            remaining_balance_outstanding=money(amount - paid),
            retainage_percent="10.0",
        )
        put(record, approved_change_orders="0.00", pending_change_orders="0.00", draft_change_orders_amount="0.00")
        put(
            record,
            pending_revised_contract=money(amount),
            percentage_paid=f"{paid * 100 / amount if amount else 0:.2f}",
        )

    return shape


def _line_count(world: World, _: Entry, project: Project | None, parent: Parent) -> int:
    assert project
    contract = number_of(world, project, next(iter(parent.values())))
    return 1 if contract is None else len(covered(world, project, contract))


def _commitment_line(making: Making, record: Record) -> None:
    assert making.project
    contract = number_of(making.world, making.project, next(iter(making.parent.values())))
    codes = [] if contract is None else covered(making.world, making.project, contract)
    if making.index < len(codes):
        _line(making, record, codes[making.index], codes[making.index].committed)


def _line(making: Making, record: Record, code: CostCode, amount: int) -> None:
    quantity = making.rng.choice((1, 1, 4, 10, 25))
    put(record, amount=money(amount), total_amount=money(amount), extended_amount=money(amount), description=code.name)
    put(record, unit_cost=money(amount // quantity), position=making.index + 1, uom=making.rng.choice(names.UNITS))
    put(record, quantity=float(quantity))
    tree = making.entry.fields.get("cost_code")
    if isinstance(tree, Mapping):
        values = dict.fromkeys(tree) | (record["cost_code"] or {}) | cost_code_values(making, code)
        record["cost_code"] = {name: values[name] for name in tree}
    own = code.id + 1
    put(record, wbs_code_id=own, wbs_code={"id": own, "flat_code": code.code, "description": code.name})


def _prime(making: Making, record: Record) -> None:
    assert making.project
    put(
        record,
        number=making.project.number,
        title=f"{making.project.name}, prime contract",
        status="Approved",
        executed=True,
    )
    put(record, grand_total=money(making.project.value), retainage_percent="5.0")


def _prime_line(making: Making, record: Record) -> None:
    assert making.project
    divisions = [code for code in making.project.cost_codes if code.parent is None]
    if making.index < len(divisions):
        code = divisions[making.index]
        inside = sum(leaf.budget for leaf in making.project.leaves if leaf.parent == code.id)
        _line(making, record, code, inside)


def _prime_lines(_: World, __: Entry, project: Project | None, ___: Parent) -> int:
    assert project
    return sum(code.parent is None for code in project.cost_codes)


def _budget_row(making: Making, record: Record) -> None:
    project = making.project
    assert project
    if making.index >= len(project.leaves):
        return
    code = project.leaves[making.index]
    moved = making.rng.choice((0, 0, 0, 2_500_00, -1_800_00))
    put(record, cost_code_id=code.id, cost_code=code.code, root_cost_code_id=code.parent, root_cost_code=code.division)
    put(record, original_budget_amount=money(code.budget), budget_modifications=money(moved), wbs_code_id=code.id + 1)
    put(
        record,
        project=project.name,
        project_id=project.id,
        biller=project.name,
        biller_id=project.id,
        biller_type="Project",
    )
    put(
        record,
        company="Halden Ridge Builders",
        category=_CATEGORIES[making.index % len(_CATEGORIES)],
        unbudgeted_reason=None,
    )
    put(record, category_id=making.index % len(_CATEGORIES) + 71)


def _rows(_: World, __: Entry, project: Project | None, ___: Parent) -> int:
    assert project
    return len(project.leaves)


def _same_in_every_view(world: World, project: Project | None, _: Parent, index: int) -> int:
    assert project
    return world.id_of("budget_detail_rows", project.index, index)


def _budget_view(making: Making, record: Record) -> None:
    put(record, name=("Procore Standard Budget", "Cost Report")[making.index % 2])


def _modification(making: Making, record: Record) -> None:
    project = making.project
    assert project
    giver, taker = making.rng.sample(range(len(project.leaves)), 2)
    put(record, from_budget_line_item_id=making.world.id_of("budget_detail_rows", project.index, giver))
    put(record, to_budget_line_item_id=making.world.id_of("budget_detail_rows", project.index, taker))
    put(record, transfer_amount=money(making.rng.randrange(10, 400) * 100_00))


def _requisition(making: Making, record: Record) -> None:
    world, project = making.world, making.project
    assert project
    contract = making.index % contracts(world)[0]
    vendor = contract_vendor(world, project, contract)
    end = making.day.replace(day=1) - timedelta(days=1)
    put(record, commitment_id=commitment_id(world, project, contract), commitment_type="WorkOrderContract")
    put(record, vendor_id=vendor["id"], vendor_name=vendor["name"], number=making.index // contracts(world)[0] + 1)
    put(
        record,
        invoice_number=f"INV-{2000 + making.index}",
        status=making.rng.choice(("approved", "approved", "under_review")),
    )
    put(
        record,
        requisition_start=end.replace(day=1).isoformat(),
        requisition_end=end.isoformat(),
        billing_date=making.day.isoformat(),
    )
    put(record, total_claimed_amount=money(value(world, project, contract) // 12))


def _change(making: Making, record: Record) -> None:
    title = names.EVENTS[making.rng.randrange(len(names.EVENTS))]
    number = f"{making.index + 1:03d}"
    put(record, title=title, number=int(number) if isinstance(record.get("number"), int) else number)
    if isinstance(record.get("status"), str):
        record["status"] = making.rng.choice(("draft", "pending", "approved", "approved"))


def _direct_cost(making: Making, record: Record) -> None:
    assert making.project
    code = making.cost_code()
    _line(making, record, code, code.budget * making.rng.randrange(1, 5) // 400)


def _prime_id(world: World, project: Project | None, _: Parent, index: int) -> int:
    assert project
    return world.id_of("prime_contracts_v1", project.index, index)


def _both(world: World, project: Project | None, _: Parent, index: int) -> int | None:
    assert project
    return commitment_id(world, project, index) if index < sum(contracts(world)) else None


def _list(count: int, shape: Shape | None = None, identity: Identity | None = None) -> Recipe:
    return Recipe(scaled(count), identity, shape)


_COMMITMENT_LINES = Recipe(_line_count, shape=_commitment_line)

FINANCIALS: dict[str, Recipe] = {
    "prime_contracts_v1": Recipe(lambda *_: 1, shape=_prime),
    "prime_contracts": Recipe(lambda *_: 1, _prime_id, _prime),
    "prime_contract_line_items": Recipe(_prime_lines, shape=_prime_line),
    "prime_change_orders": _list(4, _change),
    "prime_change_order_line_items": Recipe(between(2, 4)),
    "payment_applications": _list(8),
    _WORK_ORDERS: Recipe(lambda world, *_: contracts(world)[0], shape=_commitment(0)),
    _PURCHASE_ORDERS: Recipe(lambda world, *_: contracts(world)[1], shape=_commitment(-1)),
    "commitment_contracts": Recipe(lambda world, *_: sum(contracts(world)), _both, _commitment(0)),
    "work_order_contract_line_items": _COMMITMENT_LINES,
    "purchase_order_contract_line_items": _COMMITMENT_LINES,
    "commitment_contract_line_items": _COMMITMENT_LINES,
    "commitment_change_orders": _list(8, _change),
    "commitment_change_order_line_items": Recipe(between(2, 4)),
    "contract_payments": Recipe(between(1, 4)),
    "change_order_requests": Recipe(between(0, 2), shape=_change),
    "change_order_packages": _list(6, _change),
    "change_events": _list(14, _change),
    "potential_change_orders": _list(8, _change),
    "potential_change_order_line_items": Recipe(between(2, 4)),
    "requisitions": _list(14, _requisition),
    "requisition_contract_items": Recipe(between(4, 8)),
    "budget_views": Recipe(lambda *_: 2, shape=_budget_view),
    "budget_detail_rows": Recipe(_rows, _same_in_every_view, _budget_row),
    "budget_modifications": _list(14, _modification),
    "direct_costs": _list(20),
    "direct_cost_line_items": _list(40, _direct_cost),
}
