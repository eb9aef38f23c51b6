"""Evaluate sanity: would maps change with the model?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from whylight.errors import DataError, ModelError
from whylight.jobs.job import Job
from whylight.jobs.session import Session
from whylight.schema import Text
from whylight.work.asked import read_part
from whylight.work.faithfulness import Judged, JudgedQuestions, JudgedSettings

if TYPE_CHECKING:
    from whylight.evaluate.results import Result
    from whylight.models.model import Model


@dataclass(frozen=True)
class Settings(JudgedSettings):
    """`stages`: steps from the last layer to all layers; `random_labels`: a model trained on labels dealt out at random."""

    stages: int = 6
    random_labels: Text | None = None


class Sanity(Judged):
    """The kind `sanity`."""

    def __init__(self, job: Job) -> None:
        self.how = read_part(job, "settings", Settings)
        super().__init__(job, read_part(job, "questions", JudgedQuestions), self.how)

    def run(self, session: Session) -> Result:
        """Compare what is missing, and write the report."""
        from whylight.evaluate.sanity import RECORD, Setup, sanity
        from whylight.jobs.store import Store

        model, pictures, asked = self.judged()
        setup = Setup(self.made(model), asked, self.how.stages, self.seed)
        other, name = self._other(), self.how.random_labels
        assert session.folder is not None
        settings = self.settings({**setup.settings(), "random labels": name})
        with Store(session.folder, "sanity", settings, overwrite=session.overwrite, schema=RECORD) as store:
            store.before_first = session.begin
            result = sanity(
                model,
                pictures,
                setup,
                store,
                other=other,
                model_name=self.choice.name,
                data_name=str(self.data),
                protocol={**self.protocol(model), "labels at random": name or "not asked for"},
                **self.asking(session),
            )
        result.save(session.folder)
        return result

    def _other(self) -> Model | None:
        """The network that was trained on random labels."""
        from whylight.models.model import Model

        name = self.how.random_labels
        if name is None:
            return None
        try:
            model = replace(self.choice, name=name, weights=None, classes=None, pretrained=True, layer=None).load()
        except ModelError as error:
            raise ModelError(f"--random-labels {error}") from error
        if not isinstance(model, Model):
            raise DataError(f"--random-labels {name}: this is a black box; give a run folder or a .safetensors file")
        return model
