// Values in the examples of openapi.yaml. They tell one story: the pipeline of acme/app.

export const IDENT = 'acme/app/1.2.0/20260101120000'
export const EARLIER_IDENT = 'acme/app/1.1.0/20251201120000'
export const DEPENDENCY = 'core/openssl/3.0.9/20251101080000'
export const TARGET = 'x86_64-linux'
export const CHECKSUM = 'a4f1c9f1d4cfd2a14f4a9c1f33ad1fc94b1a1b3ab61f4b0dc9ab7fb3bb3a2e51'
export const EARLIER_CHECKSUM = '5b3c0f8a94e0fd1c1d8de9b2fd3a8f0e7d0a0a7aa6f1f7b36f2f04a7c0a9d7e2'
export const HASH = '9c0f1b2a3d4e5f60718293a4b5c6d7e8f9000112233445566778899aabbccdde'
/** A revision with its mark; also a position in the ledger. */
export const REVISION_ID = '12-9c0f1b2a3d4e5f60'
export const PLAN = 'b1JmU0hKbVZ3c2xUZ0tqQQ'

export const YESTERDAY = '2026-01-01T09:00:00.000Z'
export const NOW = '2026-01-02T09:00:00.000Z'
export const LATER = '2026-01-02T10:00:00.000Z'
export const NEXT_WEEK = '2026-01-09T09:00:00.000Z'
