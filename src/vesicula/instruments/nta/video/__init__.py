"""NTA from raw video: movie to detections, tracks, diffusion, size and concentration; and the way back, simulated."""
