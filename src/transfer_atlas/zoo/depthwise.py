"""Depthwise convolutions of a single pixel, as networks for large images have them in their last stages on small images."""

import torch
from torch import nn
from torch.autograd.function import once_differentiable


def speed_up_depthwise(model):
    """Let the depthwise convolutions of a network multiply where their input is a single pixel; weights keep their names."""
    for module in model.modules():
        if type(module) is nn.Conv2d and _sees_one_pixel_at_its_centre(module):
            module.__class__ = DepthwiseConv2d


def _sees_one_pixel_at_its_centre(convolution):
    """Whether it is depthwise and gives, for a single pixel, that pixel times the centre of the kernel.

    One with a bias is left alone: oneDNN adds up the bias's gradient in an order of its own, and results would differ in their
    last bits.
    """
    margin = tuple(
        dilation * (length - 1) / 2
        for dilation, length in zip(convolution.dilation, convolution.kernel_size, strict=True)
    )
    depthwise = convolution.groups == convolution.in_channels == convolution.out_channels
    padded = convolution.padding == margin != (0, 0) and convolution.padding_mode == "zeros"
    return depthwise and padded and convolution.bias is None


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution that multiplies on the CPU where its input is a single pixel.

    The rest of the kernel lies on padding there. oneDNN has no kernel of its own for some of these convolutions and turns them
    into matrix products of one number each, channel by channel (benchmarks/single_pixel.py).
    """

    def forward(self, x):
        """As `nn.Conv2d`."""
        if x.shape[2:] != (1, 1) or x.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        return _CentreProduct.apply(x, self.weight)


class _CentreProduct(torch.autograd.Function):
    """Images [images, channels, 1, 1] times the centres of kernels [channels, 1, height, width]."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x * _centre(weight)[:, None, None]

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        of_weight = torch.zeros_like(weight)
        # image after image, as oneDNN adds them up, so that both round alike
        _centre(of_weight)[:] = sum((x * gradient)[:, :, 0, 0])
        return gradient * _centre(weight)[:, None, None], of_weight


def _centre(kernels):
    """The centre of each kernel, a view [channels]."""
    _, _, height, width = kernels.shape
    return kernels[:, 0, height // 2, width // 2]
