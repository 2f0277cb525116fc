"""Reads a ledger with nothing but SQLite, and counts every limit anew.

It shares no code with the program: what it finds right is right by the rows alone.
"""

import json
import sqlite3
from collections import defaultdict, deque
from dataclasses import dataclass, field

RESERVE, EXTEND, SETTLE, VOID, EXPIRE = 1, 2, 4, 5, 6


@dataclass
class Account:
    """What is taken of one account, oldest first, each as [at, amount]."""

    taken: deque = field(default_factory=deque)
    sum: int = 0
    fullest: float = 0.0


@dataclass
class Ledger:
    """What the rows say."""

    charged: dict  # id -> (input tokens, output tokens, nano-dollars), once settled
    unsettled: dict  # id -> the same, as it was reserved
    expired: set
    twice: int
    exceeded: list
    lost: dict  # (cell, rule) -> what a kill may have lost, as a share of what the rule allows
    fullest: dict  # limit -> the most that any account of it held, as a share of its cap


def read(path):
    """Reads the whole ledger in the order of its rows."""
    rows = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    names = dict(rows.execute("SELECT id, name FROM limits"))
    rules = {
        rule: (names[limit], json.loads(kind), cap)
        for rule, limit, kind, cap in rows.execute("SELECT id, limit_id, kind, cap FROM rules")
    }
    ledger = Ledger({}, {}, set(), 0, [], defaultdict(float), defaultdict(float))
    accounts, held = defaultdict(Account), {}
    stand_ins = {id for (id,) in rows.execute(
        "SELECT id FROM events WHERE kind = ? AND estimated", [RESERVE]
    )}
    query = """SELECT kind, id, at, input_tokens, output_tokens, nano_usd, charges
               FROM events ORDER BY seq"""
    for kind, id, at, *used, charges in rows.execute(query):
        if id in stand_ins:
            # Nobody's request: it stands for holds that a kill may have lost.
            for cell, rule, amount, *_ in json.loads(charges) if kind == RESERVE else []:
                ledger.lost[cell, rule] += amount / rules[rule][2]
        elif kind in (RESERVE, EXTEND):
            ledger.unsettled[id] = tuple(used)
            for cell, rule, amount, *_ in json.loads(charges):
                take(ledger, accounts, held, (id, cell, rule), rules[rule], at, amount)
        elif kind in (SETTLE, VOID, EXPIRE):
            end(ledger, kind, id, tuple(used))
            for cell, rule, _, amount in json.loads(charges):
                give_back(held, (id, cell, rule), rules[rule][1], amount)
    for account in accounts.values():
        ledger.fullest[account.name] = max(ledger.fullest[account.name], account.fullest)
    return ledger


def take(ledger, accounts, held, key, rule, at, amount):
    """Counts an admitted charge, and every unit that it has to share its window with."""
    _, cell, number = key
    name, kind, cap = rule
    # A period's rule is a new one each day; everything else goes on from rule to rule.
    account = accounts[(cell, number if "period" in kind else name)]
    account.name = name
    if "window" in kind:
        while account.taken and account.taken[0][0] <= at - kind["window"]["length_ns"]:
            account.sum -= account.taken.popleft()[1]
    entry = [at, amount]
    account.taken.append(entry)
    account.sum += amount
    held[key] = (account, entry)
    account.fullest = max(account.fullest, account.sum / cap)
    if account.sum > cap:
        ledger.exceeded.append((name, cell, at, account.sum, cap))


def give_back(held, key, kind, used):
    """Counts what was really used; a slot is free, whatever was used."""
    account, entry = held.pop(key, (None, None))
    if account is None:
        return
    used = 0 if kind == "concurrency" else used
    if not account.taken or entry[0] < account.taken[0][0]:
        return
    account.sum += used - entry[1]
    entry[1] = used


def end(ledger, kind, id, used):
    if kind == EXPIRE:
        ledger.expired.add(id)
        return
    ledger.twice += id in ledger.charged
    ledger.charged[id] = used
    ledger.unsettled.pop(id, None)
    ledger.expired.discard(id)
