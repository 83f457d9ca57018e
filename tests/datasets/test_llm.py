import json
from pathlib import Path

from cu_pipeline.datasets.llm import RecipesFile
from cu_pipeline.llm.methods.recipe import Example, Recipe

RECIPE = Recipe(
    prompt="bare", template="{{ text }}:", method="few_shot", examples=(Example(text="a cat", label="pets"),), shots=1
)


def test_recipes_come_back_as_such_and_lie_in_a_file_that_people_can_read(tmp_path: Path) -> None:
    file = RecipesFile(filepath=str(tmp_path / "recipes.json"))
    file.save({"topic": RECIPE})
    assert file.load() == {"topic": RECIPE}
    assert json.loads((tmp_path / "recipes.json").read_text()) == {"topic": RECIPE.model_dump(mode="json")}
