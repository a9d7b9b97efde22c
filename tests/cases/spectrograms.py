"""The spectrogram layers."""

from __future__ import annotations

from tests.cases import Case, layer

EVERY_MODE = ("log", "magnitude", "psd", "real", "imag", "stft")
MEL = {"fft_length": 32, "sequence_stride": 12, "num_mel_bins": 6, "sampling_rate": 4000, "power_to_db": False}


CASES = [
    *(
        Case(f"stft_spectrogram_{mode}", layer("STFTSpectrogram", mode=mode, frame_length=8, fft_length=16), ((30, 1),))
        for mode in EVERY_MODE
    ),
    Case(
        "stft_spectrogram_angle",
        layer("STFTSpectrogram", mode="angle", frame_length=8),
        ((30, 1),),
    ),
    Case(
        "stft_spectrogram_of_channels",
        layer("STFTSpectrogram", mode="magnitude", frame_length=8, frame_step=3, padding="same", window="hamming"),
        ((31, 3),),
    ),
    Case(
        "stft_spectrogram_as_pictures",
        layer("STFTSpectrogram", frame_length=8, expand_dims=True, scaling="spectrum", periodic=True),
        ((30, 2),),
    ),
    Case("stft_spectrogram_open", layer("STFTSpectrogram", mode="psd", frame_length=4), ((None, 1),)),
    Case("mel_spectrogram", layer("MelSpectrogram", **MEL), ((100,),)),
    Case("mel_spectrogram_powers", layer("MelSpectrogram", **MEL, mag_exp=1.0, sequence_length=20), ((100,),)),
    Case(
        "mel_spectrogram_decibels",
        layer("MelSpectrogram", **{**MEL, "power_to_db": True, "top_db": 1000.0, "ref_power": 2.0}),
        ((100,),),
    ),
]
