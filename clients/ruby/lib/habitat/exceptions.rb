# frozen_string_literal: true

module Habitat
  # A request that a depot refused or that did not reach it. The message says why.
  class Error < RuntimeError
    # The HTTP status of the answer, or nil if there was none.
    attr_reader :status
    # The depot's code for the error, for example +not_found+, or nil. docs/errors.md of hart-depot lists them.
    attr_reader :code

    def initialize(message = nil, status: nil, code: nil)
      super(message)
      @status = status
      @code = code
    end
  end

  # A package could not be shown.
  class ShowError < Error; end

  # A package or a key could not be downloaded. No file was left behind.
  class DownloadError < Error; end

  # A package or a key could not be uploaded.
  class UploadError < Error; end

  # A package could not be promoted.
  class PromotionError < Error; end
end
