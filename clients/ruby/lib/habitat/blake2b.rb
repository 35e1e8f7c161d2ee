# frozen_string_literal: true

module Habitat
  # BLAKE2b with a digest of 256 bits (RFC 7693), which is the checksum of Habitat packages. Ruby's OpenSSL has
  # only the digest of 512 bits, whose beginning is another value.
  class Blake2b
    DIGEST_BYTES = 32
    BLOCK_BYTES = 128
    MASK = 0xffff_ffff_ffff_ffff
    IV = [
      0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
      0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179
    ].freeze
    SIGMA = [
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
      [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
      [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
      [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
      [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
      [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
      [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
      [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
      [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
      [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0]
    ].freeze
    # Four words of 64 bits are computed at once, as the lanes of one Integer. 64 zero bits above each word take
    # its carry.
    LANE_BITS = 128
    LANES = (0..3).sum { |lane| MASK << (lane * LANE_BITS) }
    RING_BITS = 4 * LANE_BITS
    RING = (1 << RING_BITS) - 1
    ROUNDS = 12
    READ_BYTES = 64 * 1024
    private_constant :IV, :SIGMA, :MASK, :LANE_BITS, :LANES, :RING_BITS, :RING, :ROUNDS, :READ_BYTES

    # Returns the checksum of a file in lower-case hex. Reads it piece by piece. The program b2sum of GNU coreutils
    # does this where it exists, because it is about a thousand times as fast as Ruby.
    def self.file(path)
      by_program(path) || in_ruby(path)
    end

    def self.by_program(path)
      output = File.open(path, 'rb') { |file| IO.popen(%w[b2sum -l 256], in: file, err: File::NULL, &:read) }
      output[/\A\h{64}(?= )/] if $?.success?
    rescue Errno::ENOENT, Errno::EACCES
      raise unless File.readable?(path)
    end

    def self.in_ruby(path)
      digest = new
      File.open(path, 'rb') do |file|
        piece = +''
        digest.update(piece) while file.read(READ_BYTES, piece)
      end
      digest.hexdigest
    end
    private_class_method :by_program, :in_ruby

    def initialize
      @state = IV.dup
      # The parameter block: digest of 32 bytes, no key, fanout 1, depth 1.
      @state[0] ^= 0x0101_0000 | DIGEST_BYTES
      @buffer = String.new(encoding: Encoding::BINARY)
      @hashed_bytes = 0
    end

    # Adds bytes to what is hashed.
    def update(bytes)
      @buffer << bytes.b
      from = 0
      # The last block is hashed by hexdigest, even if it is full.
      while @buffer.bytesize - from > BLOCK_BYTES
        @hashed_bytes += BLOCK_BYTES
        compress(@buffer.byteslice(from, BLOCK_BYTES), false)
        from += BLOCK_BYTES
      end
      @buffer = @buffer.byteslice(from..) if from.positive?
      self
    end

    # Returns the digest of all bytes in lower-case hex. Nothing can be added afterwards.
    def hexdigest
      @hexdigest ||= begin
        @hashed_bytes += @buffer.bytesize
        compress(@buffer.ljust(BLOCK_BYTES, "\0"), true)
        @state.pack('Q<*').unpack1("H#{DIGEST_BYTES * 2}")
      end
    end

    private

    # The function F of RFC 7693. The rows of its matrix are a, b, c and d.
    def compress(block, is_last)
      words = block.unpack('Q<16')
      a = lanes(*@state[0, 4])
      b = lanes(*@state[4, 4])
      c = lanes(*IV[0, 4])
      d = lanes(IV[4] ^ (@hashed_bytes & MASK), IV[5] ^ (@hashed_bytes >> 64), is_last ? IV[6] ^ MASK : IV[6], IV[7])
      ROUNDS.times do |round|
        order = words.values_at(*SIGMA[round % SIGMA.size])
        a, b, c, d = mix(a, b, c, d, order[0, 8])
        # The diagonals become columns.
        a, b, c, d = mix(a, turn(b, 1), turn(c, 2), turn(d, 3), order[8, 8])
        b = turn(b, 3)
        c = turn(c, 2)
        d = turn(d, 1)
      end
      add_to_state(0, a ^ c)
      add_to_state(4, b ^ d)
    end

    # The function G of RFC 7693, on four columns.
    def mix(a, b, c, d, words)
      a = (a + b + lanes(words[0], words[2], words[4], words[6])) & LANES
      d ^= a
      d = ((d | (d << 64)) >> 32) & LANES
      c = (c + d) & LANES
      b ^= c
      b = ((b | (b << 64)) >> 24) & LANES
      a = (a + b + lanes(words[1], words[3], words[5], words[7])) & LANES
      d ^= a
      d = ((d | (d << 64)) >> 16) & LANES
      c = (c + d) & LANES
      b ^= c
      [a, ((b | (b << 64)) >> 63) & LANES, c, d]
    end

    def lanes(first, second, third, fourth)
      first | (second << LANE_BITS) | (third << 2 * LANE_BITS) | (fourth << 3 * LANE_BITS)
    end

    # Moves each lane down by a number of places, and the lowest ones to the top.
    def turn(row, places)
      ((row | (row << RING_BITS)) >> (places * LANE_BITS)) & RING
    end

    def add_to_state(from, row)
      4.times { |lane| @state[from + lane] ^= (row >> (lane * LANE_BITS)) & MASK }
    end
  end
end
