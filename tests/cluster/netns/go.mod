module netns

go 1.24
