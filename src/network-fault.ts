// Explains failed connections in plain words. The messages of Node and its libraries name functions and
// codes.

/**
 * Explanations by the error's code, which comes from Node, fetch or OpenSSL (nodejs.org/api/errors.html,
 * nodejs.org/api/tls.html). Errors without a code are found by their message.
 */
const SENTENCES: Readonly<Record<string, string>> = {
  'bad port': 'Node allows no HTTP connections to this port', // fetch.spec.whatwg.org, port blocking
  ABORT_ERR: 'it was aborted',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  CERT_REVOKED: 'its certificate was revoked',
  DEPTH_ZERO_SELF_SIGNED_CERT:
    'its certificate is self-signed, and this machine does not trust it (see NODE_EXTRA_CA_CERTS)',
  EACCES: 'this user may not use this address or port',
  EADDRINUSE: 'another program listens there',
  EADDRNOTAVAIL: 'this machine does not have this address',
  EAI_AGAIN: 'names cannot be looked up now',
  EAI_FAIL: 'names cannot be looked up',
  ECONNABORTED: 'the connection was cut',
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was cut',
  EHOSTDOWN: 'that machine does not answer',
  EHOSTUNREACH: 'there is no route to that machine',
  EMFILE: 'too many files are open here',
  ENETDOWN: 'the network is down',
  ENETUNREACH: 'there is no route to that network',
  ENODATA: 'this name has no address',
  ENFILE: 'too many files are open on this machine',
  ENOTFOUND: 'no machine has this name',
  EPERM: 'this machine does not let the depot connect there',
  EPIPE: 'the connection was cut',
  EPROTO: 'the server there does not speak TLS, or none of the versions that are allowed here',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for other names',
  ETIMEDOUT: 'no answer came in time',
  HPE_HEADER_OVERFLOW: 'the headers of the answer are too large',
  SELF_SIGNED_CERT_IN_CHAIN:
    'its certificate is signed by an authority that this machine does not trust (see NODE_EXTRA_CA_CERTS)',
  UNABLE_TO_GET_ISSUER_CERT:
    'its certificate is signed by an authority that this machine does not know (see NODE_EXTRA_CA_CERTS)',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'its certificate is signed by an authority that this machine does not know (see NODE_EXTRA_CA_CERTS)',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'its certificate is signed by an authority that this machine does not know (see NODE_EXTRA_CA_CERTS)',
  UND_ERR_BODY_TIMEOUT: 'the answer stopped coming',
  UND_ERR_CONNECT_TIMEOUT: 'no connection was made in time',
  UND_ERR_HEADERS_OVERFLOW: 'the headers of the answer are too large',
  UND_ERR_HEADERS_TIMEOUT: 'no answer came in time',
  UND_ERR_SOCKET: 'the connection was cut',
}

/** Explanations by the beginning of the code, for errors of Node's HTTP parser and of OpenSSL. */
const FAMILIES: readonly (readonly [prefix: string, sentence: string])[] = [
  ['HPE_', 'the server there does not speak HTTP'],
  ['ERR_SSL_', 'the server there does not speak TLS, or none of the versions that are allowed here'],
]

/** Reports whether an error with this code means that a connection failed. */
export function isNetworkFault(code: string): boolean {
  return code in SENTENCES || FAMILIES.some(([prefix]) => code.startsWith(prefix))
}

/**
 * Explains why a connection failed, as part of a sentence. An error without a code is our own; its message is
 * used.
 */
export function networkFault(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const sentence =
    SENTENCES[code === '' ? error.message : code] ?? FAMILIES.find(([prefix]) => code.startsWith(prefix))?.[1]
  if (sentence !== undefined) return sentence
  return code === '' && error.message !== ''
    ? error.message
    : `the connection failed (${code === '' ? error.name : code})`
}
