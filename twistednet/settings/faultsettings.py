"""What the settings say of faults: rules and scenarios, read from their texts."""

from __future__ import annotations

from twistednet.core.settings import BadSetting
from twistednet.faults.grammar import BadFault, Grammar, parseAll
from twistednet.faults.rules import Rule
from twistednet.faults.scenario import Scenario, parseScenario


def faults(rules: Grammar, texts: list[str]) -> tuple[Rule, ...]:
    """The rules that these are, of which each text may have several. Raises BadSetting."""
    try:
        return tuple(rule for text in texts for rule in parseAll(text, rules))
    except BadFault as why:
        raise BadSetting(str(why)) from None


def scenarios(rules: Grammar, texts: list[str]) -> dict[str, Scenario]:
    """The scenarios that these are, by their names. Raises BadSetting."""
    try:
        found = [parseScenario(text, rules) for text in texts]
    except BadFault as why:
        raise BadSetting(str(why)) from None
    byName = {scenario.name: scenario for scenario in found}
    if len(byName) < len(found):
        raise BadSetting("two scenarios have the same name")
    return byName
