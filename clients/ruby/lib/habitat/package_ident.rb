# frozen_string_literal: true

require_relative 'path_segment'

module Habitat
  # The name of a package or of one of its releases. A missing version or release means the latest one.
  #
  #    Habitat::PackageIdent.new('core', 'zlib').to_s             # => "core/zlib/latest"
  #    Habitat::PackageIdent.new('core', 'zlib', '1.2.8').to_s    # => "core/zlib/1.2.8/latest"
  PackageIdent = Struct.new(:origin, :pkg, :version, :release) do
    # Parses +origin/name[/version[/release]]+. Raises an ArgumentError for anything else.
    def self.parse(text)
      parts = text.to_s.split('/', -1)
      unless parts.size.between?(2, 4) && parts.none?(&:empty?)
        raise ArgumentError, "#{text.inspect} is not a package: write origin/name, or origin/name/version/release"
      end
      new(*parts)
    end

    def initialize(origin, pkg, version = 'latest', release = 'latest')
      super
    end

    def to_s
      parts.join('/')
    end

    # Returns the ident as a part of a URL. Raises an ArgumentError for parts that no URL can have.
    def to_path
      parts.map { |part| Habitat.path_segment(part) }.join('/')
    end

    # Reports whether the ident names one release.
    def fully_qualified?
      version != 'latest' && release != 'latest'
    end

    private

    def parts
      version == 'latest' ? [origin, pkg, version] : to_a
    end
  end
end
