/** An account's name: letters, digits, `.`, `_` and `-`. It begins with a letter or a digit. */
export const ACCOUNT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/

/** The maximum length in characters. */
export const MAX_ACCOUNT_NAME_LENGTH = 100

/** Lists of accounts name groups with this prefix, which no account's name can have. */
export const GROUP_PREFIX = 'group:'
