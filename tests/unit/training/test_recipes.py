"""A recipe of one's own: complete, from a shipped one, or refused in one line that names file and key."""

from pathlib import Path

import pytest

from inference.training.recipes import BRAIN, RECIPES, RecipeError, read_recipe
from tests.integration.third_organ import CHEST, GATE


def written(folder: Path, text: str) -> Path:
    (folder / "own.toml").write_text(text, "utf-8")
    return folder / "own.toml"


def test_a_recipe_says_all_that_the_commands_ask_for(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, CHEST))
    assert (recipe.name, recipe.organ, recipe.class_names) == ("chest_xray", "chest_xray", ("nodule", "no_nodule"))
    assert recipe.shares == (0.5, 0.5)
    assert recipe.card.known_failures == ("It has seen no chest but drawn ones.",)
    assert not recipe.of_cells


def test_a_recipe_may_start_from_a_shipped_one(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, 'base = "brain_mri"\nname = "head"\nbatch = 8\n'))
    assert (recipe.name, recipe.batch) == ("head", 8)
    assert (recipe.classes, recipe.limits, recipe.views) == (BRAIN.classes, BRAIN.limits, BRAIN.views)


def test_a_gate_of_other_organs_has_their_names(tmp_path: Path) -> None:
    gate = read_recipe(written(tmp_path, GATE))
    assert gate.organ is None
    assert gate.class_names == ("brain_mri", "blood_smear", "chest_xray", "other")
    assert gate.tumor_free == 3


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("cached_side = 32", "cached_sides = 32", "cached_side"),
        ('organ = "chest_xray"', 'organ = "Chest X-ray"', "organ: String should match"),
        ("batch = 16", "batch = 16\nclass_shares = [1.0]", "class_shares: one for each of the 2 classes"),
        ("batch = 16", 'batch = 16\nbase = "lung"', "base: there is no recipe 'lung'; there are gate, brain_mri"),
        ("batch = 16", "batch 16", "not valid TOML"),
        ('intended_use = "Tests: drawn chests."', "", "card.intended_use: Field required"),
    ],
)
def test_recipe_mistake_is_told_in_one_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in CHEST
    with pytest.raises(RecipeError) as raised:
        read_recipe(written(tmp_path, CHEST.replace(old, new)))
    assert said in str(raised.value)
    assert "own.toml" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_shipped_recipes_and_their_cards_are_complete() -> None:
    for recipe in RECIPES.values():
        assert recipe.card.intended_use
        assert recipe.card.out_of_scope
        assert len(recipe.shares) == len(recipe.classes)
