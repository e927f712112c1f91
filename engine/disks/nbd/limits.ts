/** What one server lets its clients take, whatever they send. Together well under 128 MiB. */
export const nbdLimits = {
  /** The largest READ or WRITE ("Size constraints": 2^25 is what every client may expect). */
  payloadBytes: 32 * 1024 * 1024,
  /** Larger transfers are carried out in pieces of this size, so that memory does not grow with them. */
  pieceBytes: 256 * 1024,
  /** Buffers that one client's requests and unread replies hold; one piece more may be under way. */
  clientBytes: 3 * 1024 * 1024,
  /** Requests of one client without a reply that the client has taken. */
  clientRequests: 128,
  clients: 16,
  /** Negotiation: its time, its options, and the bytes of one option's data. */
  handshakeMs: 10_000,
  options: 64,
  optionBytes: 64 * 1024,
  /** Descriptors in one block status reply; a client asks again from where they end. */
  descriptors: 16 * 1024,
  /** Extents looked at in one READ to find its holes; the rest is read. */
  readExtents: 64,
  /** Smaller READs are not searched for holes. */
  holeSearchBytes: 64 * 1024,
  /** How long a stopping server waits for its clients to take their replies. */
  stopMs: 5_000,
} as const;
