"""The k-nearest-neighbour classifier on features."""

from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import one_hot


def votes(
    cosines: Float[Tensor, "m n"],
    labels: Int64[Tensor, " n"],
    classes: int,
    k: int,
    temperature: float,
) -> Float[Tensor, "m classes"]:
    """Class probabilities from the k nearest of n features, weighted by exp(cosine / temperature).

    Wu et al., CVPR 2018, section 3.4. A cosine of -inf excludes a feature.
    """
    nearest, which = cosines.topk(min(k, len(labels)), dim=1)
    weights = (nearest / temperature).softmax(dim=1)
    return (one_hot(labels, classes)[which] * weights[..., None]).sum(dim=1)
