"""What leaves a session: tables for programs, lines for people; nothing is computed."""
