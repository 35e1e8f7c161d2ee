# frozen_string_literal: true

require 'erb'

module Habitat
  # Returns a text as one segment of the path of a URL. Raises an ArgumentError if it is empty, +.+ or +..+, because
  # servers and proxies resolve these.
  def self.path_segment(text)
    raise ArgumentError, "#{text.inspect} is no name" if ['', '.', '..'].include?(text.to_s)

    ERB::Util.url_encode(text)
  end
end
