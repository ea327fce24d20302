if(TARGET sluice)
  install(TARGETS sluice)
endif()
