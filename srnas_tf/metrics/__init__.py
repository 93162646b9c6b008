"""PSNR and SSIM as super-resolution papers print them."""

from srnas_tf.metrics.quality import luma, psnr, ssim, to_uint8

__all__ = ["luma", "psnr", "ssim", "to_uint8"]
