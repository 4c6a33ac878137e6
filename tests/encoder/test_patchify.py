import torch

from encoder.patchify import gather_tokens, join_tubelets, split_tubelets, standardise, unit_pixels


def numbered_clip() -> torch.Tensor:
    return torch.arange(2 * 4 * 6 * 8 * 3).reshape(2, 4, 6, 8, 3)


def test_tokens_run_over_frame_row_column_and_values_end_with_the_channel() -> None:
    clip = numbered_clip()
    tubelets = split_tubelets(clip, (2, 3, 4))
    assert tubelets.shape == (2, 2 * 2 * 2, 2 * 3 * 4 * 3)
    token = (1 * 2 + 0) * 2 + 1  # second frame pair, first row, second column
    expected = clip[1, 2:4, 0:3, 4:8].flatten()
    assert torch.equal(tubelets[1, token], expected)


def test_joining_undoes_splitting() -> None:
    clip = numbered_clip()
    assert torch.equal(join_tubelets(split_tubelets(clip, (2, 3, 4)), (2, 3, 4), (2, 2, 2)), clip)


def test_gathering_keeps_each_clips_own_order() -> None:
    tokens = torch.arange(2 * 5 * 3).reshape(2, 5, 3)
    index = torch.tensor([[4, 0], [1, 3]])
    gathered = gather_tokens(tokens, index)
    assert torch.equal(gathered, torch.stack([tokens[0, [4, 0]], tokens[1, [1, 3]]]))


def test_bytes_are_scaled_and_floats_are_not() -> None:
    values = torch.tensor([[[0, 51, 255]]], dtype=torch.uint8)
    assert torch.allclose(unit_pixels(values), torch.tensor([[[0, 0.2, 1.0]]]))
    assert torch.equal(unit_pixels(torch.tensor([[[0.5]]])), torch.tensor([[[0.5]]]))


def test_normalisation_is_per_channel() -> None:
    values = torch.tensor([[[0.5, 0.5, 0.9, 0.1]]])
    out = standardise(values, (0.5, 0.1), (1.0, 0.2))
    assert torch.allclose(out, torch.tensor([[[0.0, 2.0, 0.4, 0.0]]]))
