"""The engine: pure rules (blend, sizing, plan, limits) and the thin async shell that moves values between them."""
