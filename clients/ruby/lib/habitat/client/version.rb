# frozen_string_literal: true

module Habitat
  class Client
    VERSION = '1.0.0.alpha.1'
  end
end
