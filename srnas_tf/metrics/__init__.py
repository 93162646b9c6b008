"""PSNR and SSIM as super-resolution papers print them."""

from srnas_tf.metrics.quality import as_batch, luma, psnr, ssim, to_uint8

__all__ = ["as_batch", "luma", "psnr", "ssim", "to_uint8"]
