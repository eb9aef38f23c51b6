"""Evaluate faithfulness: do maps show what the network uses?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from whylight.jobs.job import Job
from whylight.jobs.session import Session
from whylight.schema import Text
from whylight.work.asked import read_part
from whylight.work.evaluation import Evaluation, MethodQuestions, spread, whose
from whylight.work.wrapping import Wrapping

if TYPE_CHECKING:
    from whylight.evaluate.results import Result
    from whylight.models.base import Classifier


@dataclass(frozen=True)
class JudgedQuestions(MethodQuestions):
    """Whose map and score (`target`): `auto` takes the picture's class where folders name classes."""

    target: Literal["auto", "true", "predicted"] = "auto"


@dataclass(frozen=True)
class JudgedSettings(Wrapping):
    """`label`: the class that everything is; `limit`: so many pictures, evenly spread; `seed` decides everything random."""

    label: Text | None = None
    limit: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Questions(JudgedQuestions):
    """`measures`: names of `whylight.evaluate.measures.table.MEASURES`, or `all`; default: all but sensitivity."""

    measures: tuple[Text, ...] = ()


@dataclass(frozen=True)
class Settings(JudgedSettings):
    """Deletion and insertion: their steps, and the side and standard deviation of the blur that insertion starts from."""

    steps: int = 28
    blur: int = 11
    sigma: float = 5.0


class Judged(Evaluation):
    """What faithfulness and sanity share: one class a picture, chosen by itself where nothing else is asked for."""

    def __init__(self, job: Job, asked: JudgedQuestions, how: JudgedSettings) -> None:
        super().__init__(job, asked, how)
        self.target, self.label, self.limit, self.seed = asked.target, how.label, how.limit, how.seed

    def judged(self) -> tuple[Classifier, list[Any], Literal["true", "predicted"]]:
        """The model, the pictures, and whose class it is asked about."""
        model, every = self.loaded(self.label)
        pictures = spread(every, self.limit)
        return model, pictures, whose(self.target, pictures)

    def protocol(self, model: Classifier) -> dict[str, Any]:
        """What the report says about how maps were made."""
        return {**super().protocol(model), "computed in": self.choice.precision, "seed": self.seed}


class Faithfulness(Judged):
    """The kind `faithfulness`."""

    def __init__(self, job: Job) -> None:
        from whylight.evaluate.measures.deletion import Protocol
        from whylight.evaluate.measures.table import DEFAULT, MEASURES, chosen

        asked, how = read_part(job, "questions", Questions), read_part(job, "settings", Settings)
        super().__init__(job, asked, how)
        every = asked.measures == ("all",)
        self.measures = chosen(tuple(MEASURES) if every else asked.measures or DEFAULT)
        self.steps = Protocol(steps=how.steps, blur=how.blur, sigma=how.sigma)

    def run(self, session: Session) -> Result:
        """Measure what is missing, and write the report."""
        from whylight.evaluate.faithfulness import RECORD, Setup, faithfulness
        from whylight.jobs.store import Store

        model, pictures, asked = self.judged()
        setup = Setup(self.made(model), asked, self.measures, self.steps, self.seed)
        assert session.folder is not None
        settings = self.settings(setup.settings())
        with Store(session.folder, "faithfulness", settings, overwrite=session.overwrite, schema=RECORD) as store:
            store.before_first = session.begin
            result = faithfulness(
                model,
                pictures,
                setup,
                store,
                model_name=self.choice.name,
                data_name=str(self.data),
                protocol=self.protocol(model),
                **self.asking(session),
            )
        result.save(session.folder)
        return result
