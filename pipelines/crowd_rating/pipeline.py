"""The two graphs. No pod waits for people: publishing ends at once, collecting comes back by the clock.

Both reach the service's database by the Secret that the service itself uses. Keys for Mechanical Turk come as a file of
profiles, since AWS_* variables are the object store's.
"""

from typing import Any

from kfp import dsl

from components.crowd.component import build_study, collect, publish
from pipelines.cluster.placement import Placement, label_tasks
from pipelines.crowd_rating.config import CollectConfig, PublishConfig

PUBLISH, COLLECT = "crowd-publish", "crowd-collect"
KEYS_FOLDER = "/etc/touchstone/mturk"


def build_publish(config: PublishConfig, placement: Placement | None = None) -> Any:
    """The pipeline that makes a study of two models' answers and puts it before raters.

    Args:
        config: Parameters of its steps.
        placement: Where tasks run on a cluster; None = a laptop.
    """

    @dsl.pipeline(name=PUBLISH, description="Put pairs of answers before people")
    def crowd_publish(candidate: str, reference: str) -> dsl.Dataset:
        """One study.

        Args:
            candidate: Address of the completions of the model under test.
            reference: Address of the completions it is compared with.
        """
        mixed_in = {port: _at(address) for port, address in sorted(config.mixed_in.items())}
        study = build_study(
            candidate=_at(candidate),
            reference=_at(reference),
            params=config.build,
            **mixed_in,
        )
        published = publish(study=study.outputs["study"], params=config.publish)
        _finish(placement, [published], config)
        return study.outputs["study"]

    return crowd_publish


def build_collect(config: CollectConfig, placement: Placement | None = None) -> Any:
    """The pipeline that takes in what people said so far; to be run again and again.

    Args:
        config: Parameters of its step.
        placement: Where tasks run on a cluster; None = a laptop.
    """
    if config.mturk:

        @dsl.pipeline(name=COLLECT, description="Take in what people said so far")
        def with_hits(study: str, hits: str) -> dsl.Dataset:
            """One look.

            Args:
                study: Address of the study that was published.
                hits: Address of its tasks on Mechanical Turk.
            """
            found = collect(study=_at(study), hits=_at(hits), params=config.collect)
            _finish(placement, [found], config)
            return found.outputs["judgments"]

        return with_hits

    @dsl.pipeline(name=COLLECT, description="Take in what people said so far")
    def by_link(study: str) -> dsl.Dataset:
        """One look.

        Args:
            study: Address of the study that was published.
        """
        found = collect(study=_at(study), params=config.collect)
        _finish(placement, [found], config)
        return found.outputs["judgments"]

    return by_link


def _at(address: Any) -> Any:
    # No name of its own for the page: Kubeflow's importer records itself under it, and nobody finds its artifact then.
    return dsl.importer(artifact_uri=address, artifact_class=dsl.Dataset, reimport=False).output


def _finish(placement: Placement | None, reaching_out: list[Any], config: PublishConfig | CollectConfig) -> None:
    label_tasks()
    for task in reaching_out:
        # What is outside changes without any input changing.
        task.set_caching_options(enable_caching=False)
    if placement is None:
        return
    from kfp import kubernetes

    placement.apply_to_current_pipeline()
    for task in reaching_out:
        kubernetes.use_secret_as_env(task, config.database_secret, {"DATABASE_URL": "DATABASE_URL"})
        secret = {"TOUCHSTONE_CROWD_SECRET": "TOUCHSTONE_CROWD_SECRET"}
        kubernetes.use_secret_as_env(task, config.database_secret, secret, optional=True)
        kubernetes.use_secret_as_volume(task, config.mturk_secret, KEYS_FOLDER, optional=True)
        task.set_env_variable("AWS_SHARED_CREDENTIALS_FILE", f"{KEYS_FOLDER}/credentials")
