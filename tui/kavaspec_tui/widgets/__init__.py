"""What fills the screens: widgets that show rows of text and repaint only what changed."""
