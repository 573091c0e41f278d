"""Forward passes without gradients, batch by batch."""

from concurrent.futures import ThreadPoolExecutor

import torch
from tqdm import tqdm

from transfer_atlas.errors import InputError, one_line
from transfer_atlas.zoo.build import Input

# of a forward pass on the CPU: with more its caches do not hold what passes from layer to layer
CPU_PIXELS, CPU_IMAGES = 2**19, 200


def infer_batches(model, pixels_of, images, batch_size, device, first=0, precision="float32"):
    """Yield (rows, logits) batch by batch: a slice of the images, and float32 [rows, classes] on the CPU.

    On the CPU a batch is asked in parts of at most 200 images and 512 x 1024 pixels, which is faster. A batch that the device has
    no memory for is asked in halves, and so are those that follow.

    Args:
        model: network in eval mode on `device`.
        pixels_of: function of a slice of the images to their uint8 [rows, size, size, 3], a tensor or an array.
        images: number of images.
        batch_size: images at a time.
        device: where the model is.
        first: batch to begin with.
        precision: of the network's arithmetic: float32, or bfloat16 or float16 by autocast.

    Raises:
        InputError: the device has no memory for a single image.
    """
    ask, most = _answering(model, device, precision), batch_size
    starts = range(first * batch_size, images, batch_size)
    batches = [slice(start, min(start + batch_size, images)) for start in starts]
    on_cpu = torch.device(device).type == "cpu"
    load = map if on_cpu else read_ahead  # on the CPU the network needs the threads itself
    progress = tqdm(
        zip(batches, load(pixels_of, batches), strict=True), "infer", len(batches), unit="batch", mininterval=2
    )
    for rows, pixels in progress:
        if on_cpu:
            most = min(most, CPU_IMAGES, max(1, CPU_PIXELS // (pixels.shape[1] * pixels.shape[2])))
        logits, most = _within_memory(ask, pixels, most)
        yield rows, logits


def read_ahead(load, batches):
    """As `map`, but while one result is used the next is made by another thread."""
    with ThreadPoolExecutor(1) as reader:
        made = None
        for batch in batches:
            following = reader.submit(load, batch)
            if made is not None:
                yield made.result()
            made = following
        if made is not None:
            yield made.result()


def _answering(model, device, precision):
    """Function of pixels to logits on the CPU."""
    to_input, device = Input(model).to(device), torch.device(device)

    @torch.inference_mode()
    def ask(pixels):
        pixels = to_input(pixels if isinstance(pixels, torch.Tensor) else torch.tensor(pixels))
        with torch.autocast(device.type, getattr(torch, precision), enabled=precision != "float32"):
            return model(pixels).float().cpu()

    return ask


def _within_memory(ask, pixels, most):
    """Logits of all pixels, computed at most `most` images at a time, or fewer where memory is short; and that number."""
    while True:
        try:
            parts = range(0, len(pixels), most)
            return torch.cat([ask(pixels[start : start + most]) for start in parts]), most
        except torch.OutOfMemoryError as error:
            if most == 1:
                raise InputError(f"no memory for one image ({one_line(error, 100)}); take a larger device") from None
        # not inside the handler, where the error still holds what did not fit
        most = -(-min(most, len(pixels)) // 2)
        torch.cuda.empty_cache()
        print(f"out of memory: goes on with {most} images at a time")


def check_finite(values, rows, model, what, view):
    """Raise InputError where values of a model, float32 [rows, any] of a slice of the images, are NaN or infinite."""
    bad = (~torch.isfinite(values).all(dim=1)).nonzero()
    if len(bad):
        image = rows.start + bad[0].item()
        raise InputError(f"model {model}: {what} of image {image}, view {view} are not finite; check its weights")
