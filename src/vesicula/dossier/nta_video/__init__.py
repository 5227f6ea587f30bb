"""The page of one analysed video: verdict, numbers, figures, frames with tracks, checks and settings."""
