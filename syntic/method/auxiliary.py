"""Eq. 4 and 5, auxiliary features (AF): attend from the picture to the labels of its objects.

    o_k = CLIP_t(label_k)                       Eq. 4, done by `ClipEncoder.encode_texts`
    u   = MHAttn(query = s, key = O, value = O)  Eq. 5

s is the optimised image feature before Eq. 3, as the paper has it. The paper leaves open (A): eight
heads, trained with the decoder, and what to attend to where nothing was detected: a learned null
token, which no other picture sees.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import InputError, ShapeError


class TagAttention(nn.Module):
    """Multi-head attention of one image feature over its tags.

    Args:
        feature_width: D, the CLIP width.
        heads: H, must divide D.

    Raises:
        InputError: if it does not.
    """

    def __init__(self, feature_width: int, heads: int = 8) -> None:
        super().__init__()
        if heads < 1 or feature_width % heads:
            raise InputError(f"`tag_heads` is {heads} but must divide the CLIP width {feature_width}.")
        self.heads = heads
        self.attention = nn.MultiheadAttention(feature_width, heads, batch_first=True)
        self.null_token = nn.Parameter(torch.randn(feature_width) * feature_width**-0.5)  # about unit norm

    def forward(self, query: Tensor, tag_features: Tensor, tag_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the auxiliary feature u of each picture.

        Args:
            query: (B, D) image features, refined where Eq. 2 ran, not projected.
            tag_features: (B, K, D) features of the labels, padded; K may be 0.
            tag_mask: (B, K) bool, True where there is a tag.

        Returns:
            u (B, D) and the weights (B, H, K + 1), which sum to 1. The last position is the null
            token; its weight is 1 for a picture without tags and 0 for any other.

        Raises:
            ShapeError: if the three do not fit.
        """
        rows, width = query.shape
        if tag_features.shape != (rows, tag_mask.shape[-1], width) or tag_mask.shape[0] != rows:
            raise ShapeError(
                f"The query {tuple(query.shape)}, tag features {tuple(tag_features.shape)} and tag mask "
                f"{tuple(tag_mask.shape)} do not fit; they should be (B, D), (B, K, D) and (B, K)."
            )
        null = self.null_token.to(query.dtype).expand(rows, 1, width)
        keys = torch.cat([tag_features, null], dim=1)  # (B, K + 1, D)
        hidden = torch.cat([~tag_mask, tag_mask.any(dim=1, keepdim=True)], dim=1)  # (B, K + 1)
        u, weights = self.attention(
            query[:, None], keys, keys, key_padding_mask=hidden, average_attn_weights=False
        )
        return u[:, 0], weights[:, :, 0]  # (B, D), (B, H, K + 1)
