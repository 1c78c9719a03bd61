"""Floating-point operations of a forward pass: those of its matrix products."""

from __future__ import annotations

from signbart_port.config import SignBartConfig


def of_forward(config: SignBartConfig, frames: int) -> int:
    """Return the FLOPs of one forward pass over a clip of `frames` frames.

    A multiplication with its addition counts as two. Only matrix products are counted, as
    `torch.utils.flop_counter` does: no bias, softmax, normalization or activation. With T frames,
    width d, and f in the middle of a feed-forward network: an attention projects four times, 4 x
    2Td^2, and compares and mixes T frames with T, 2 x 2T^2d (Vaswani et al. 2017, table 1, with
    both factors); a feed-forward network is 2 x 2Tdf. The decoder attends twice, to itself and to
    the encoder.
    """
    width, joints = config.d_model, len(config.joint_idx)
    attention = 4 * _product(frames, width, width) + 2 * _product(frames, width, frames)
    encoder = attention + 2 * _product(frames, width, config.encoder_ffn_dim)
    decoder = 2 * attention + 2 * _product(frames, width, config.decoder_ffn_dim)
    return (
        2 * _product(frames, joints, width)  # x and y
        + config.encoder_layers * encoder
        + config.decoder_layers * decoder
        + _product(1, width, config.num_labels)
    )


def _product(rows: int, inner: int, columns: int) -> int:
    return 2 * rows * inner * columns
