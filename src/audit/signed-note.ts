import { createHash } from 'node:crypto'
import { DepotError } from '../errors.ts'
import { publicDepotKey, signWithDepotKey, verifyWithDepotKey } from '../lockfiles/depot-key.ts'
import type { DepotKey, DepotSecretKey } from '../lockfiles/depot-key.ts'

// Signed notes (c2sp.org/signed-note), with Ed25519 signatures:
//
//   text                                                  one line or more
//   (empty line)
//   — {key name} {base64 of key id(4) signature(64)}      one line or more
//
//   key id       = the first 4 bytes of sha256( key name '\n' 0x01 key )
//   verifier key = {key name}+{key id in hex}+{base64 of 0x01 key}
//
// 0x01 means Ed25519. The signature covers the text with its last newline.

/** A public key of a depot, and the name of the key in notes. */
export interface NoteKey {
  readonly name: string
  readonly key: DepotKey
}

export interface SignedNote {
  /** Ends with a newline. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

interface NoteSignature {
  readonly name: string
  readonly keyId: Buffer
  readonly signature: Buffer
}

const ED25519 = Buffer.of(1)
const KEY_ID_BYTES = 4
const MAX_NOTE_CHARACTERS = 64 * 1024
const SIGNATURE = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/

/** Returns a note with one signature. `text` must end with a newline. */
export function signNote(text: string, { name, key }: NoteKey, secretKey: DepotSecretKey): string {
  const signature = signWithDepotKey(secretKey, Buffer.from(text))
  return `${text}\n— ${name} ${Buffer.concat([keyIdOf({ name, key }), signature]).toString('base64')}\n`
}

/** Parses a signed note, and verifies nothing. Throws `invalid_request`. */
export function parseNote(note: string): SignedNote {
  if (note.length > MAX_NOTE_CHARACTERS)
    throw malformed(`it is longer than ${MAX_NOTE_CHARACTERS} characters`)
  const end = note.lastIndexOf('\n\n')
  // oxlint-disable-next-line no-control-regex -- the format forbids control characters
  if (end === -1 || !note.endsWith('\n') || /[\0-\x09\x0b-\x1f]/.test(note))
    throw malformed('it needs a text, an empty line and signatures')
  const signatures = note
    .slice(end + 2, -1)
    .split('\n')
    .map((line): NoteSignature => {
      const [, name = '', encoded = ''] = SIGNATURE.exec(line) ?? []
      const bytes = Buffer.from(encoded, 'base64')
      if (bytes.length <= KEY_ID_BYTES) throw malformed(`${JSON.stringify(line)} is not a signature`)
      return { name, keyId: bytes.subarray(0, KEY_ID_BYTES), signature: bytes.subarray(KEY_ID_BYTES) }
    })
  return { text: note.slice(0, end + 1), signatures }
}

/**
 * Returns the first of the given keys that signed a note. Ignores signatures of other keys, for example of
 * witnesses. Throws `signature_invalid` if none of the keys signed the note, or if the signature of one of
 * them is wrong.
 */
export function verifyNote({ text, signatures }: SignedNote, keys: readonly NoteKey[]): NoteKey {
  let signer: NoteKey | undefined
  for (const { name, keyId, signature } of signatures) {
    const known = keys.find((key) => key.name === name && keyIdOf(key).equals(keyId))
    if (known === undefined) continue
    if (!verifyWithDepotKey(known.key, Buffer.from(text), signature))
      throw new DepotError('signature_invalid', `the signature of ${name} is wrong: the note was altered`)
    signer ??= known
  }
  if (signer === undefined)
    throw new DepotError(
      'signature_invalid',
      `none of the known keys signed the note; it names ${signatures.map(({ name }) => name).join(', ')}`,
    )
  return signer
}

/** Formats a public key for a witness or an auditor, as {@link parseVerifierKey} reads it. */
export function formatVerifierKey({ name, key }: NoteKey): string {
  const id = keyIdOf({ name, key }).toString('hex')
  return `${name}+${id}+${Buffer.concat([ED25519, key.raw]).toString('base64')}`
}

/** Parses a verifier key. Throws `key_malformed`, also if its id does not follow from its name and key. */
export function parseVerifierKey(text: string): NoteKey {
  const [name = '', id = '', ...encoded] = text.trim().split('+')
  const bytes = Buffer.from(encoded.join('+'), 'base64') // base64 may have a plus, too
  const noteKey = { name, key: publicDepotKey(bytes.subarray(1)) }
  if (name === '' || bytes.length !== 33 || bytes[0] !== 1 || keyIdOf(noteKey).toString('hex') !== id)
    throw new DepotError(
      'key_malformed',
      'not a verifier key: NAME+ID+KEY, as hart-depot ledger checkpoint prints',
    )
  return noteKey
}

function keyIdOf({ name, key }: NoteKey): Buffer {
  return createHash('sha256')
    .update(`${name}\n`)
    .update(ED25519)
    .update(key.raw)
    .digest()
    .subarray(0, KEY_ID_BYTES)
}

function malformed(why: string): DepotError {
  return new DepotError('invalid_request', `not a signed note: ${why}`)
}
