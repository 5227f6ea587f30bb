"""Makes the synthetic ParticleData and AllTracks files: no public file of either kind was found.

Titles and the words True and False are those that independent programs read from exports of NTA 3.4; the numbers
are a simulated walk of 60 particles in water at 25 C. Run it with a folder as argument.
"""

import sys
from pathlib import Path

import numpy as np

BOLTZMANN_J_PER_K = 1.380649e-23  # exact, SI 2019
FRAME_S = 1 / 24.9825  # frame rate of beads.csv
UM_PER_PX = 0.166  # assumed scale, of no consequence for reading

PARTICLE_TITLES = (
    "Particle ID,Size/nm,Diffusion coefficient/nm^2 s^-1,Ln(Adjusted intensity)/AU,Start frame,Tracklength,"
    "Included in distribution?"
)
TRACK_TITLES = (
    "Particle ID,Size/nm,Diffusion coefficient/nm^2 s^-1,Frame,X/pixels,Y/pixels,Ln(Adjusted intensity)/AU,"
    "Included in distribution?"
)


def tracks(particles=60, seed=20261121):
    """Return the two files as texts."""
    rng = np.random.default_rng(seed)
    constant = BOLTZMANN_J_PER_K * 298.15 / (3 * np.pi * 0.89e-3) * 1e27  # nm^3/s; 0.89 mPa s: water at 25 C
    summary, points = [PARTICLE_TITLES], [TRACK_TITLES]
    for particle in range(particles):
        diameter = round(float(rng.lognormal(np.log(120), 0.3)), 1)
        diffusion = round(constant / diameter, 1)
        length, start = int(rng.integers(4, 40)), int(rng.integers(0, 700))
        included = "True" if length >= 10 else "False"
        light = round(float(rng.normal(6, 1)), 4)
        summary.append(f"{particle},{diameter},{diffusion},{light},{start},{length},{included}")
        step_px = np.sqrt(2 * diffusion * 1e-6 * FRAME_S) / UM_PER_PX
        place = rng.uniform(20, 1000, 2) + np.cumsum(rng.normal(0, step_px, (length, 2)), axis=0)
        points.extend(
            f"{particle},{diameter},{diffusion},{start + i},{x:.3f},{y:.3f},{light + rng.normal(0, 0.1):.4f},{included}"
            for i, (x, y) in enumerate(place)
        )
    return "\r\n".join([*summary, ""]), "\r\n".join([*points, ""])


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name, text in zip(("synthetic_ParticleData.csv", "synthetic_AllTracks.csv"), tracks(), strict=True):
        (folder / name).write_bytes(text.encode())
