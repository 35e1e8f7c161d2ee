/** Letters, digits and `.`, `_`, `-`; the first one is a letter or a digit. */
export const ACCOUNT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/

/** In characters. */
export const MAX_ACCOUNT_NAME_LENGTH = 100
