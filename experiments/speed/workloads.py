"""What is timed: each workload as a jaxgan config with overrides, and as a spec for PyTorch.

The two describe the same networks, losses, schedules and batch sizes.
"""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One GAN and one batch size, for every framework.

    network: "mlp", "dcgan", "dcgan_keras", "resnet", "biggan", "r3gan" or "stylegan2", of which the
      widths are the channels times the side. penalty: "", "wgan_gp", "r1r2" or "r1".
    interval: of steps, of the penalty r1.
    """

    network: str
    batch: int
    resolution: int
    channels: int
    gen_width: int
    disc_width: int
    latent_dim: int = 100
    loss: str = "non_saturating"
    penalty: str = ""
    disc_turns: int = 1
    dropout: float = 0.0
    interval: int = 1
    channel_max: int = 0
    w_dim: int = 0
    mapping_layers: int = 0
    style_mixing: float = 0.0
    config: str = "configs/dcgan_cifar.py"
    overrides: tuple[str, ...] = field(default=())  # beyond what the fields above say


DCGAN = Workload(network="dcgan", batch=128, resolution=32, channels=3, gen_width=64, disc_width=64)
WORKLOADS = {
    "mlp": Workload(
        network="mlp",
        batch=64,
        resolution=28,
        channels=1,
        gen_width=0,
        disc_width=0,
        dropout=0.3,
        config="configs/mlp_mnist.py",
    ),
    "dcgan": DCGAN,
    "dcgan_keras": Workload(
        network="dcgan_keras",
        batch=128,
        resolution=28,
        channels=1,
        gen_width=64,
        disc_width=64,
        dropout=0.3,
        config="configs/dcgan_mnist.py",
    ),
    "wgan_gp": replace(DCGAN, batch=64, loss="wasserstein", penalty="wgan_gp", disc_turns=5),
    "r1r2": replace(DCGAN, batch=64, penalty="r1r2"),
    "resnet": Workload(
        network="resnet",
        batch=64,
        resolution=32,
        channels=3,
        gen_width=128,
        disc_width=128,
        latent_dim=128,
        loss="hinge",
        overrides=(
            "--config.gen={'name': 'resnet', 'width': 128}",
            "--config.disc={'name': 'resnet', 'width': 128}",
        ),
    ),
    "biggan": Workload(
        network="biggan",
        batch=64,
        resolution=32,
        channels=3,
        gen_width=128,
        disc_width=128,
        latent_dim=80,
        loss="hinge",
        config="configs/biggan_fashion.py",
        overrides=(
            "--config.data.labels=False",
            "--config.gen={'name': 'biggan', 'width': 32, 'latent_dim': 80}",
            "--config.disc={'name': 'biggan', 'width': 32}",
        ),
    ),
    "r3gan": Workload(
        network="r3gan",
        batch=64,
        resolution=32,
        channels=3,
        gen_width=128,
        disc_width=128,
        latent_dim=64,
        loss="relativistic",
        penalty="r1r2",
        config="configs/r3gan_fashion.py",
        overrides=(
            "--config.gen.widths=(128,)",
            "--config.disc.widths=(128,)",
            "--config.gen.resample=binomial",
            "--config.disc.resample=binomial",
        ),
    ),
    "stylegan2": Workload(
        network="stylegan2",
        batch=32,
        resolution=64,
        channels=3,
        gen_width=4096,
        disc_width=4096,
        latent_dim=128,
        penalty="r1",
        interval=16,
        channel_max=128,
        w_dim=128,
        mapping_layers=2,
        style_mixing=0.9,
        config="configs/stylegan2_emoji.py",
        overrides=(
            "--config.data.labels=False",
            "--config.gen.latent_dim=128",
            "--config.gen.w_dim=128",
            "--config.gen.channel_max=128",
            "--config.disc.channel_max=128",
        ),
    ),
}
PENALTIES = {
    "": "{}",
    "wgan_gp": "{'wgan_gp': {'weight': 10.0}}",
    "r1r2": "{'r1': {'weight': 1.0}, 'r2': {'weight': 1.0}}",
    "r1": "{'r1': {'weight': 0.0256, 'interval': %d}}",
}


def penalty_of(workload: Workload) -> str:
    """The terms, as the config takes them."""
    terms = PENALTIES[workload.penalty]
    return terms % workload.interval if "%d" in terms else terms


def overrides(workload: Workload, data: str, dtype: str, steps_per_call: int) -> list[str]:
    """The arguments that turn the workload's config into the workload. data: an .npz of images."""
    given = [
        *workload.overrides,
        "--config.data.name=npz",
        f"--config.data.dir={data}",
        f"--config.data.batch_size={workload.batch}",
        f"--config.data.resolution={workload.resolution}",
        f"--config.data.channels={workload.channels}",
        f"--config.loss={workload.loss}",
        f"--config.terms={penalty_of(workload)}",
        f"--config.train.disc_turns={workload.disc_turns}",
        f"--config.train.dtype={dtype}",
        f"--config.train.steps_per_call={steps_per_call}",
    ]
    if workload.network in ("dcgan", "dcgan_keras"):
        given += [
            f"--config.gen.width={workload.gen_width}",
            f"--config.disc.width={workload.disc_width}",
        ]
    if workload.network == "stylegan2":
        given += [
            f"--config.gen.channel_base={workload.gen_width}",
            f"--config.disc.channel_base={workload.disc_width}",
        ]
    return given
